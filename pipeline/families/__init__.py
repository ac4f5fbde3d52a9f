"""Network families: how base networks are trained, evaluated, saved and loaded."""
