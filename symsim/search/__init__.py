"""Many points, deployments and devices at once."""
