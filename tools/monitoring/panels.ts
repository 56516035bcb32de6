/** Builds Grafana dashboards (schema 39, Grafana 10 and newer) out of little. */

export interface Query {
  readonly expr: string;
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  readonly description?: string;
  readonly type: 'stat' | 'timeseries' | 'bargauge' | 'heatmap';
  /** Of 24 columns. */
  readonly width: number;
  readonly unit?: 's' | 'short' | 'percentunit' | 'reqps' | 'bytes';
  readonly queries: readonly Query[];
  readonly isStacked?: true;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly panels: readonly Panel[];
}

const HEIGHT = 8;
const COLUMNS = 24;
const SOURCE = { type: 'prometheus', uid: '${datasource}' };

/** The JSON that Grafana imports; the data source and the namespace of the objects are variables. */
export function dashboardJson(dashboard: Dashboard): object {
  return {
    uid: dashboard.uid,
    title: dashboard.title,
    description: dashboard.description,
    tags: ['beskar7'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    links: [{ type: 'dashboards', tags: ['beskar7'], title: 'Beskar7', asDropdown: true, keepTime: true }],
    templating: { list: [DATA_SOURCE, NAMESPACE] },
    panels: placed(dashboard.panels),
  };
}

const DATA_SOURCE = { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source', hide: 0 };
const NAMESPACE = {
  name: 'namespace',
  type: 'query',
  label: 'Namespace',
  datasource: SOURCE,
  query: { query: 'label_values(beskar7_physicalhost_state, namespace)', refId: 'namespace' },
  refresh: 2,
  includeAll: true,
  multi: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
};

/** From left to right, and down. */
function placed(panels: readonly Panel[]): object[] {
  let x = 0;
  let y = 0;
  return panels.map((panel, index) => {
    if (x + panel.width > COLUMNS) {
      x = 0;
      y += HEIGHT;
    }
    const place = { h: HEIGHT, w: panel.width, x, y };
    x += panel.width;
    return panelJson(panel, index + 1, place);
  });
}

function panelJson(panel: Panel, id: number, gridPos: object): object {
  const { title, description, type, unit = 'short', queries, isStacked } = panel;
  return {
    id,
    title,
    ...(description === undefined ? {} : { description }),
    type,
    gridPos,
    datasource: SOURCE,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(type === 'timeseries'
          ? { custom: { fillOpacity: isStacked ? 40 : 10, stacking: { mode: isStacked ? 'normal' : 'none' } } }
          : {}),
      },
      overrides: [],
    },
    options:
      type === 'timeseries'
        ? { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } }
        : { reduceOptions: { calcs: ['lastNotNull'] } },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: SOURCE,
      expr,
      legendFormat: legend,
      ...(type === 'stat' || type === 'bargauge' ? { instant: true } : {}),
    })),
  };
}
