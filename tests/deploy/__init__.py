"""What is shipped beside the program: image, schedules, locked requirements."""
