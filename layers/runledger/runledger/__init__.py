"""Runledger: LangGraph runs started from AWS, their results in a ledger of one's own."""
