"""What operators ask and do: status, doctor, load progress, dashboards, deletion."""
