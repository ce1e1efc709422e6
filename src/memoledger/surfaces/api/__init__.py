"""The HTTP API: parses, calls a service, renders. `create_app` in `app.py` makes it."""
