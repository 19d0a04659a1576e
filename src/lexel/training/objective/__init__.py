"""What training minimises, and the scores that it watches."""
