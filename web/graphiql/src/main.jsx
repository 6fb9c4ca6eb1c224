import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import { createRoot } from 'react-dom/client';

import { examples } from './examples.js';
import { fetcher } from './fetcher.js';
import './page.css';
import { SessionBar } from './session-bar.jsx';

// GraphiQL fills the first tab's query on a first visit, but not its variables.
const firstVisit = !localStorage.getItem('graphiql:tabState');

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL
    fetcher={fetcher}
    defaultTabs={examples}
    initialVariables={firstVisit ? examples[0].variables : undefined}
    defaultEditorToolsVisibility="variables"
    plugins={[HISTORY_PLUGIN]}
    shouldPersistHeaders={false}
  >
    <GraphiQL.Logo>
      <SessionBar />
    </GraphiQL.Logo>
  </GraphiQL>,
);
