"""Who customers are and what they did. No web framework, no model."""
