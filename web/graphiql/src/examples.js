// The tabs of a first visit, in the order in which a newcomer runs them. A Go
// test holds the operations against the schema.

import createNote from './examples/create-note.graphql?raw';
import myNotes from './examples/my-notes.graphql?raw';
import signIn from './examples/sign-in.graphql?raw';
import signUp from './examples/sign-up.graphql?raw';
import translate from './examples/translate.graphql?raw';
import translations from './examples/translations.graphql?raw';
import watch from './examples/watch-job.graphql?raw';

const json = (value) => JSON.stringify(value, null, 2);

const account = json({ input: { email: 'me@example.org', password: 'correct horse battery staple' } });

export const examples = [
  { query: signUp, variables: account },
  {
    query: createNote,
    variables: json({ input: { title: 'Tomorrow', text: 'Good morning. The train leaves at nine.', language: 'en' } }),
  },
  { query: translate, variables: json({ input: { noteId: '<last note>', languages: ['es'] } }) },
  { query: watch, variables: json({ id: '<last job>' }) },
  { query: myNotes, variables: json({ first: 20 }) },
  { query: translations, variables: json({ noteId: '<last note>' }) },
  { query: signIn, variables: account },
];
