"""Solutions, with the reasoning in comments. Not part of the students' archive."""
