"""Records deliveries."""
