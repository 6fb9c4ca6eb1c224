// Package fault tests live delivery while things break: clients as people have
// them listen through a proxy to several API processes, which are killed and
// restarted, as are NATS and the connections, and every event that was committed
// has to arrive.
package fault
