import * as tf from "@tensorflow/tfjs-core";
import { useBackend } from "../dist/backends/index.js";
await useBackend("wasm");
const r=(s)=>tf.randomUniform(s,-1,1,"float32",1);
const N=128,K=256;
const cases={plain:[r([N,K]),r([K,N]),false],tA:[r([K,N]),r([K,N]),true]};
for(let k=0;k<2;k++)for(const [n,[a,b,ta]] of Object.entries(cases)){let m=1e9;for(let i=0;i<3000;i++){const s=performance.now();tf.matMul(a,b,ta).dispose();m=Math.min(m,performance.now()-s);}console.log(n,(2*N*N*K/m/1e6).toFixed(1),"GFLOPs best");}
