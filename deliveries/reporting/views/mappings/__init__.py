"""What providers' words mean: unknown words and alarms, the code tables, the draft, the versions, trying it out."""
