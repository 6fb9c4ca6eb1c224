package sse

// Subject is where the process with a token listens.
func Subject(token string) string { return subject(keyOf(token)) }
