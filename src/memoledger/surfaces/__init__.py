"""The doors: Python, command line. They parse, call a service and render."""
