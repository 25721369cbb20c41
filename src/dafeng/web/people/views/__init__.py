"""Pages of people: the entrance, one's own account, people and organisations for their administrator."""
