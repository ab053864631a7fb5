"""What is spoken of: attrs classes, enums and unions, one file a resource family."""
