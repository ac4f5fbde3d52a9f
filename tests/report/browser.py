"""A headless Chromium, driven by the DevTools protocol: what a page shows, logs and asks for."""

import base64
import json
import shutil
import subprocess
import time
from contextlib import contextmanager

from websockets.sync.client import connect

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
PATIENCE = 60.0
"""Seconds that the browser has to start, and to answer."""


@contextmanager
def browser(folder):
    """A connection to a new browser, whose profile is in `folder`."""
    switches = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={folder}")
    process = subprocess.Popen([CHROMIUM, *switches], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port, path = _address(folder / "DevToolsActivePort", process)
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as socket:
            yield Connection(socket)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _address(file, process):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) > 1:
            return lines
        time.sleep(0.05)
    raise RuntimeError(f"{CHROMIUM} did not start: it wrote no {file}")


class Connection:
    """Commands and their answers; events are kept in the order in which they came."""

    def __init__(self, socket):
        self.socket, self.sent, self.events = socket, 0, []

    def call(self, method, session=None, **parameters):
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": parameters}
        self.socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self.socket.recv(timeout=PATIENCE))
            if answer.get("id") == self.sent:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.events.append(answer)

    def open(self, path, width, height, mobile=False):
        """A page that has loaded a file."""
        return self.visit(path.as_uri(), width, height, mobile)

    def visit(self, url, width, height, mobile=False):
        """A page that has loaded an address."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, url)
        for domain in ("Runtime", "Log", "Network", "Page"):
            page.call(f"{domain}.enable")
        page.resize(width, height, mobile)
        page.call("Page.navigate", url=page.url)
        page.until("document.readyState === 'complete'")
        return page


class Page:
    """One tab."""

    def __init__(self, connection, session, url):
        self.connection, self.session, self.url = connection, session, url

    def call(self, method, **parameters):
        return self.connection.call(method, self.session, **parameters)

    def evaluate(self, expression):
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, (expression, answer["exceptionDetails"])
        return answer["result"].get("value")

    def until(self, expression):
        until = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < until, f"never true: {expression}"
            time.sleep(0.05)

    def resize(self, width, height, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def press(self, key):
        """A key where the focus is."""
        code = {"ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35}[key]
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def events(self, method):
        self.evaluate("0")  # what has happened is read
        found = [e for e in self.connection.events if e.get("sessionId") == self.session]
        return [event["params"] for event in found if event["method"] == method]

    @property
    def requests(self):
        """What the page asked for."""
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]

    @property
    def complaints(self):
        """Messages of the console, exceptions, and entries of the log (a content policy's, too)."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event for kind in kinds for event in self.events(kind)]

    def picture(self, path, whole=True):
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))
