"""Network families: how base networks are trained, asked, saved and loaded."""
