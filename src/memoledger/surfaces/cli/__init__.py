"""The command line: parses, calls a service, renders.

Modules here are imported whenever `memoledger` starts, for its help; what takes long to import
(numpy, the driver, the models) is imported where a command runs.
"""
