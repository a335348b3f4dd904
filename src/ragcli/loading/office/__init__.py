"""Files of Word and PowerPoint, today's and those of before 2007, and what they share."""
