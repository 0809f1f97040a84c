"""Senders: whom we write as, what they are registered as, and whether receipts come back."""
