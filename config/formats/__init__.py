"""How dates and times may be typed, by language: what Django's own formats lack."""
