"""Files and flags -> frozen values: configs, deployments, devices, cost models."""
