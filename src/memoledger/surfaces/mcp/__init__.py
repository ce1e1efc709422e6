"""MCP: the ledger as tools, resources and prompts of an agent (modelcontextprotocol.io)."""
