"""Operations: status, doctor, progress of loads, import of dashboards, and deletion of one conversation."""
