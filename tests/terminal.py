"""A pseudo-terminal of some width, and what stands on it: of text, line ends, and the few codes that bars need."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

PART = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|(.)", re.DOTALL)


def run_in_terminal(command, columns, **variables):
    """Run a command whose stdout and stderr are a terminal; returns its exit status and all that it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [str(part) for part in command], stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm"} | variables
    )
    os.close(theirs)
    written = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return process.wait(), written.decode()


def _read(terminal):
    try:
        return os.read(terminal, 65_536)
    except OSError:  # its last writer has gone
        return b""


class Screen:
    """Lines of a terminal; frames: what stood on it before each return of the cursor, and at the end."""

    def __init__(self, written, columns):
        self._columns, self._row, self._column = columns, 0, 0
        self.lines, self.frames = [""], []
        for argument, command, character in PART.findall(written):
            if command:
                self._obey(argument, command)
            else:
                self._write(character)
        self.frames.append(list(self.lines))

    def _obey(self, argument, command):
        assert command in "AKhlm", f"unknown code {argument}{command}"
        if command == "A":
            self._row -= int(argument or 1)
        elif command == "K":
            assert argument == "2"
            self.lines[self._row] = ""

    def _write(self, character):
        if character == "\r":
            self.frames.append(list(self.lines))
            self._column = 0
        elif character == "\n":
            self._down()
        else:
            if self._column == self._columns:
                self._down()
                self._column = 0
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
            self._column += 1

    def _down(self):
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")
