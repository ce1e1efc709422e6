"""The Python API: `Memoledger`, the handle of a principal, and the handle of a store."""
