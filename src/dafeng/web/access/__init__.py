"""Who may do what, where: actions of roles, the reach of a user's grants, rules of routes."""
