"""Pages for the people we write to: no log-in, no cookie, no script, and nothing of theirs but by a signed link."""
