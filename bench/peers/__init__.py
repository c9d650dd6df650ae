"""What walrus-fast is measured against."""
