"""The reference's report and published set-ups."""
