"""The client: a ledger behind an HTTP server, with the names and types of the Python API.

`memoledger.Memoledger.open("https://…", api_key=…)` opens one. This package stands on the model
alone: it holds no service, and nothing of how memories are kept.
"""
