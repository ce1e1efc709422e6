"""The work beside the requests: embedding what is scheduled, and upkeep by the clock."""
