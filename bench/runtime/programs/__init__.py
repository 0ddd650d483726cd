"""What the compared servers run, in their own interpreters; nothing of the bench imports it."""
