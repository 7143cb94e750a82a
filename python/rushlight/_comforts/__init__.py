"""What makes work with models pleasant: a summary, a drawing, a progress bar, a check for NaN. Shown as rushlight.summary and so on."""
