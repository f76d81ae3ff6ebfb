"""Automations: a trigger, a condition, actions. The actions serve reminders, stages and approvals as well."""
