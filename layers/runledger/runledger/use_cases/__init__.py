"""What happens: one module for each use case. They ask the world outside through `ports`."""
