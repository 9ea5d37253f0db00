"""The web processes: how requests are received and answers are sent."""
