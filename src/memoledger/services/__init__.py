"""One verb a module: what Memoledger does, told in terms of the ledger and the ports."""
