"""From strategies to new training rows: written, judged, selected; sees training rows and generated ones alone."""
