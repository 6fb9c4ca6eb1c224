// An EventSource on the URL of its first argument, which has the query. It
// prints a line per event: open, next <id> <data>, complete, error <status>;
// and ends when its standard input does.
import { EventSource } from 'eventsource';

const source = new EventSource(process.argv[2]);
source.addEventListener('open', () => console.log('open'));
source.addEventListener('next', ({ lastEventId, data }) => console.log(`next ${lastEventId} ${data}`));
source.addEventListener('complete', ({ data }) => {
  source.close();
  console.log(`complete ${data}`);
});
source.addEventListener('error', ({ code }) => {
  const state = source.readyState === EventSource.CLOSED ? 'closed' : 'connecting';
  console.log(`error ${code ?? ''} ${state}`);
});
process.stdin.resume().on('end', () => process.exit(0));
