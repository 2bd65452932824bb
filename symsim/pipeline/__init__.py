"""Model + device + deployment -> compiled closed forms; counts; one kernel by itself."""
