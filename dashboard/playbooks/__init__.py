"""Shared playbooks: all of them, and each as a sentence whose numbers change for all campaigns that follow it."""
