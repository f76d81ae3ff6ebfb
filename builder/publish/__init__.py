"""From a draft to a version: diff -> plan -> apply, all or nothing. Nothing is destroyed: what leaves the definition is kept aside."""
