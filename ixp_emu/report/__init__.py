"""Results for people and for programs: tables, JSON, pictures, timelines."""
