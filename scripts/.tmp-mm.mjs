import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { useBackend } from "../dist/backends/index.js";
await useBackend("wasm");
const r=(s)=>tf.randomUniform(s,-1,1,"float32",1);
const cases={fwd:[r([32,784]),r([784,256]),false,false],dW:[r([32,784]),r([32,256]),true,false],dx:[r([32,256]),r([784,256]),false,true]};
for(let k=0;k<3;k++)for(const [n,[a,b,ta,tb]] of Object.entries(cases)){const t=[];for(let i=0;i<1000;i++){const s=performance.now();tf.matMul(a,b,ta,tb).dispose();t.push(performance.now()-s);}t.sort((x,y)=>x-y);console.log(n,t[500].toFixed(3),"min",t[0].toFixed(3));}
