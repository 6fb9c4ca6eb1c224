package idempotency

// ForgetStep is how many expired keys are deleted at a time.
const ForgetStep = forgetStep
