"""Mail: EML and MHTML, MBOX, MSG, and what is attached."""
