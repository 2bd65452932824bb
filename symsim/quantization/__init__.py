"""What a checkpoint stores: number formats, and which linear layer has which."""
