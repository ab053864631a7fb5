"""Models: attrs classes, enums and unions; one module per resource family."""
